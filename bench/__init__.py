"""Measures Rackhand against what a bare shell script needs on the same lab machine."""
