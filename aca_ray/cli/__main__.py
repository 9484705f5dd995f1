"""`python -m aca_ray.cli`."""

import sys

from aca_ray.cli import main

sys.exit(main())
