"""What studies run, one file a study."""

from expunge.config.studies.clue import ClueStudyConfig as ClueStudyConfig
from expunge.config.studies.editing import EditingStudyConfig as EditingStudyConfig
from expunge.config.studies.frequency import FrequencyStudyConfig as FrequencyStudyConfig
from expunge.config.studies.localization import LocalizationStudyConfig as LocalizationStudyConfig
from expunge.config.studies.uipe import UipeStudyConfig as UipeStudyConfig
