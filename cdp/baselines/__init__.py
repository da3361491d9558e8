"""Clustering methods to compare CDP with, one a module."""
