"""URLs: which object a URL means, how its address is spelled, and what in it is secret. Pure.

Read `redact` first: it finds secrets and cuts them out. `address` takes a URL apart and gives its
canonical form, `Address`, and defines `Url`, which prints without its secret. `sources` finds the
`[[source]]` of a URL and the object that it asks for, `ignore` the entries of `[[ignore]]`, and
`relative` reads the links of posts as paths from the root. `suffixes` are those of pictures.
"""
