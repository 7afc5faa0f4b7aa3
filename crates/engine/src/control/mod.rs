//! Serves the API on a local socket (Unix socket or named pipe), JSON-RPC 2.0, one object a line.
