"""The network: nodes and wires made from the tape, folded over the steps, transposed and run."""
