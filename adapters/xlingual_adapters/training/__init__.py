"""Training of embedding models on pairs of texts, for every kind of embedder that can learn.

It knows folders that sentence-transformers loads, and nothing of the embedders themselves: each
kind brings its model into such a folder, and takes the result back. Needs the extra `train`.
"""
