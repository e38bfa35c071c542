"""The MediaEngine port and its embedded adapter: the only way the control plane touches packets."""
