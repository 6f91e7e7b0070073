"""A VM image from elsewhere becomes one that starts on any machine."""
