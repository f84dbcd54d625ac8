"""Videos and cameras: frames in, painted frames out, steady from one to the next.

PyAV (the `video` extra) is imported when a file or a camera is opened; `FrameStylizer` needs none of it.
"""
