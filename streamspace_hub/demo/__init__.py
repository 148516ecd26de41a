"""`streamspace demo`: a whole hub on one machine. A real hub with a real configuration file, nothing special-cased."""
