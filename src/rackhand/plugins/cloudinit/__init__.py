"""What runs inside cloud-init, and beside it at boot: the network of SUSE wicked."""
