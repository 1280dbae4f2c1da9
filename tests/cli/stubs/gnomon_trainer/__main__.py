import sys

from stub_service import main

sys.exit(main("trainer"))
