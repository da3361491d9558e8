"""Other methods of clustering, to compare with: features or kNN graphs in, labels out."""
