"""What is run again after a layer: the recorded rest of a network, with something altered."""
