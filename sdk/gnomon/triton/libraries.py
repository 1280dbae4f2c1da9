"""What `gnomon[triton]` installs, imported when it is first needed."""

from functools import partial

from gnomon.optional import required

library = partial(required, for_="Triton", install="pip install 'gnomon[triton]'")
