"""The streamer: captures one session's desktop, sends it to viewers, and takes their input; enforces role and policy."""
