import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # `projects` lies beside the package and is not installed with it
    sys.path.insert(0, str(ROOT))
