"""What crosses the wire: decode, authorise, call a service, encode. No decisions are made here."""
