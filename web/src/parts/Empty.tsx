/** The first minutes of a site: why there is nothing yet, and the next action, with text to copy. */
import { useState } from 'react';
import type { Site } from '../api/types';
import { useSpeech } from '../speech';

const EXAMPLE = '{"traveler_id":"a-1","x":1.5,"y":4.2}';

export default function Empty({ site }: { site: Site | undefined }) {
  const { t } = useSpeech();
  const topic = site?.mqtt_topic ?? 'footfall/{site}/{device}/positions';
  const address = site?.mqtt ?? `${window.location.hostname}:1883`;
  const at = address.lastIndexOf(':');
  const [host, port] = [address.slice(0, at), address.slice(at + 1)];
  const filled = topic.replace('{device}', 'door-1');
  const command = `mosquitto_pub -h ${host} -p ${port} -q 1 -t ${filled} -m '${EXAMPLE}'`;
  return (
    <ol className="steps">
      <Step text={t('emptyStep1', { device: '{device}' })} code={topic} button={t('copyTopic')} />
      <Step text={t('emptyStep2')} code={EXAMPLE} button={t('copyMessage')} />
      <Step text={t('emptyStep3')} code={command} button={t('copyCommand')} />
    </ol>
  );
}

function Step({ text, code, button }: { text: string; code: string; button: string }) {
  const { t } = useSpeech();
  const [said, setSaid] = useState('');
  const copy = () => {
    // absent on plain http from another machine
    const copied = navigator.clipboard?.writeText(code) ?? Promise.reject(new Error('no clipboard'));
    copied.then(
      () => setSaid(t('copied')),
      () => setSaid(t('copyFailed')),
    );
  };
  return (
    <li>
      <p>{text}</p>
      <p className="copy">
        <code>{code}</code>
        <button className="button" type="button" onClick={copy}>
          {button}
        </button>
        <span className="sub" role="status">
          {said}
        </span>
      </p>
    </li>
  );
}
