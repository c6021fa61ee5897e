/** What paper needs and the screen shows elsewhere: site, zone, filters. */
import type { OverviewZone, Site } from '../api/types';
import type { Search } from '../search';
import { useSpeech } from '../speech';
import { now } from '../time/clock';
import { perText, whenText, whereText, whoText } from './filter/describe';

export function PrintHead({
  search,
  site,
  zones,
}: {
  search: Search;
  site: Site | undefined;
  zones: OverviewZone[];
}) {
  const speech = useSpeech();
  const { t, f } = speech;
  return (
    <p className="print-only">
      {site?.name}, {f.tz}. {t('where')}: {whereText(search.sensor, zones, speech)}. {t('who')}:{' '}
      {whoText(search.type, speech)}. {t('when')}: {whenText(search, now(), speech)}. {t('per')}:{' '}
      {perText(search, speech)}.
    </p>
  );
}
