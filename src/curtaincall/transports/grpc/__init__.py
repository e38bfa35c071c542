"""The Monetization Service over gRPC: decode, authorise, call a service, encode."""
