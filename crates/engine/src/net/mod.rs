//! Sockets: interfaces, multicast, TCP and TLS.
