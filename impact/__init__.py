"""Impact: what the failure of some configuration items does to the others, and why.

Pure: ids and arrays in, effects out. It knows the model's impact rules (`schema`) and no store; what it
asks of one is said by a protocol (`impact.sources`).
"""
