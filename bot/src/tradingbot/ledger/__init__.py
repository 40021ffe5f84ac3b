"""Double entry. Every transaction sums to zero in each asset; balances are nothing but sums of postings."""
