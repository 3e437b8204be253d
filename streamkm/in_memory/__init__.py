"""k-means of weighted points that fit in memory."""
