"""A page in HTML that plays the forward and the backward pass through the drawn network."""
