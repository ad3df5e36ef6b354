"""What the tests run on: throwaway servers on loopback, a browser, and safe environments.

Nothing here needs a container engine or a network beyond loopback. Every server is a child process on a free
port and is stopped by its own process id.
"""
