"""The door of a session: authorises every request and socket, then hands it to the streamer's unix socket.

Two servers open it: the ordinary Jupyter server (JupyterLab), through `lab`, and the small server of a hub session,
`python -m streamspace_proxy.extension`. Nothing here knows pictures, input or X: that is the streamer's.
"""
