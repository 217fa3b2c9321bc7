"""Self-attention distilling of the Informer (Zhou et al. 2021): a sequence halved by convolution and max pooling."""
