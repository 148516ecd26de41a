"""The streamer: captures a desktop, sends it to viewers and takes their input; enforces roles and policy."""
