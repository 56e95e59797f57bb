"""What tests of this package, and of packages built on it, can share."""
