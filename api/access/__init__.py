"""Who somebody is, and what they may do: accounts, sign-in, roles, and a store that shows no more.

Every door asks here and nowhere else. It knows records, not GraphQL and not HTTP.
"""
