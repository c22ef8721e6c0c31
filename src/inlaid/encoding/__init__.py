"""From a picture to a file: the encoder, fitting, quantisation."""
