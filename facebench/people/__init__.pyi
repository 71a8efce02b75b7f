"""The public names of `facebench.people`; `__init__.py` loads them on first use."""

from facebench.people.intervals import between_over as between_over
from facebench.people.intervals import mean_over as mean_over
from facebench.people.intervals import means_over as means_over
from facebench.people.intervals import over_participants as over_participants
from facebench.people.intervals import paired_over as paired_over
from facebench.people.measures import item_measures as item_measures
from facebench.people.measures import person_measures as person_measures
from facebench.people.names import with_names_of as with_names_of
from facebench.people.reading import people_of as people_of
from facebench.people.reading import read_trials as read_trials
from facebench.people.trials import KINDS as KINDS
from facebench.people.trials import TrialKind as TrialKind
from facebench.people.trials import Trials as Trials
