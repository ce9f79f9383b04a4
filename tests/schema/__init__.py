"""The model as data: loading, mistakes, kinds, exports."""
