"""The edge: drivers that read devices, the spool that loses nothing, and the publisher."""
