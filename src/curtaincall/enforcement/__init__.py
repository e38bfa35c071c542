"""Payment enforcement: leases kept alive while they are paid for, revoked the moment they are not."""
