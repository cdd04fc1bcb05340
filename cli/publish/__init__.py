"""`kreisfunk publish` and `kreisfunk withdraw`: what a municipal system does, by hand or from a script."""
