//! A server's address that can be made to fail: it forwards bytes, and cuts the connection when told to.
