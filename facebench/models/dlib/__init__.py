"""dlib's face network without dlib: a reader of its weight file, and the network in PyTorch."""
