"""How the CPU computes the operations.

`convolution` chooses by kernel between `onednn` (jaxlib's own library), `depthwise`, `pointwise`
and, for the gradient of a dense kernel, `row_windows`, all by one `geometry`; `pooling` reduces
small windows.
"""
