"""``make bench-gpu``: what is measured on a GPU, in pieces that a later step puts together into one page."""
