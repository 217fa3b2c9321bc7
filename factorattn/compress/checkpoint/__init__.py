"""A file of tensors in, a factored one out, and back: tensor by tensor."""
