/** The h1 that is a sentence, and why to care. Its height is reserved, so that nothing jumps when it comes. */
import { Fragment } from 'react';
import { useSpeech } from '../speech';
import type { Answer } from './answer';

export function AnswerText({ answer, failed }: { answer: Answer | null; failed: boolean }) {
  const { t } = useSpeech();
  return (
    <div className="answer-text">
      <h1>{answer ? answer.headline : failed ? t('answerFailed') : t('loadingAnswer')}</h1>
      <p className="lede">{answer ? <LedeText answer={answer} /> : ' '}</p>
    </div>
  );
}

export function LedeText({ answer }: { answer: Answer }) {
  return answer.lede.map(({ text, tone }, i) => (
    <Fragment key={text}>
      {/* a part that goes on with a sentence brings its own space */}
      {i > 0 && !text.startsWith(' ') && ' '}
      {tone === 'alarm' ? <strong className="alarm">{text}</strong> : text}
    </Fragment>
  ));
}
