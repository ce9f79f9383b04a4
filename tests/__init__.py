"""The test suite: folders named like the packages they test.

``conformance/`` runs over every store, ``support/`` holds what tests share.
"""
