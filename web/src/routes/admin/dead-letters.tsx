// Messages given up on: reading, replaying and discarding them, one or many: /admin/dead-letters
import { Button } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import type { DeadLetter } from '@/api/client';
import { useDeadLetters, useOperatorName, useSettleLetters } from '@/features/admin/queries';
import { useText } from '@/i18n';
import { Copyable } from '@/ui/copyable';
import { Dialog, Question } from '@/ui/dialog';
import { Grid } from '@/ui/grid';
import { useNotices } from '@/ui/notices';
import { Pager } from '@/ui/pager';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, PageHead, Time } from '@/ui/small';

type Verb = 'replay' | 'discard';

export function Component() {
  const { t } = useText();
  const say = useNotices((state) => state.say);
  const name = useOperatorName();
  const [trail, setTrail] = useState<string[]>([]);
  const [chosen, setChosen] = useState<string[]>([]);
  const [read, setRead] = useState<DeadLetter | null>(null);
  const [asked, setAsked] = useState<{ verb: Verb; ids: string[] } | null>(null);
  const { data, error, isPending } = useDeadLetters(trail.at(-1) ?? '');
  const settle = useSettleLetters();
  const letters = data?.dead_letters ?? [];
  const present = chosen.filter((id) => letters.some((letter) => letter.id === id));
  const close = () => {
    settle.reset();
    setAsked(null);
  };
  const go = () =>
    asked &&
    settle.mutate(asked, {
      onSuccess: ({ done, failed }) => {
        say(t('letters.done', { done: done.length, failed: failed.length }), failed.length > 0 ? 'plain' : 'good');
        setChosen(failed.map(({ id }) => id));
        setRead(null);
        close();
      },
    });
  const columns = [
    { title: t('col.parked'), render: (letter: DeadLetter) => <Time at={letter.parked_at} detail="second" /> },
    { title: t('col.message'), render: (letter: DeadLetter) => <button type="button" className="text-button mono" onClick={() => setRead(letter)}>{letter.message.event}</button> },
    { title: t('col.consumer'), render: (letter: DeadLetter) => letter.consumer },
    { title: t('col.order'), render: (letter: DeadLetter) => <Link className="mono" to={`/admin/orders/${letter.message.order_id}`}>{letter.message.order_id}</Link> },
    { title: t('col.tries'), align: 'right' as const, render: (letter: DeadLetter) => letter.tries },
    { title: t('col.cause'), render: (letter: DeadLetter) => <span className="cause">{letter.cause}</span> },
    {
      title: '',
      render: (letter: DeadLetter) => (
        <span className="row-buttons">
          <Button size="small" onClick={() => setAsked({ verb: 'replay', ids: [letter.id] })}>{t('letters.replay')}</Button>
          <Button size="small" danger onClick={() => setAsked({ verb: 'discard', ids: [letter.id] })}>{t('letters.discard')}</Button>
        </span>
      ),
    },
  ];
  return (
    <main className="page">
      <PageHead
        title={t('letters.title')}
        aside={
          present.length > 0 && (
            <span className="buttons">
              <span className="quiet">{t('letters.selected', { count: present.length })}</span>
              <Button type="primary" onClick={() => setAsked({ verb: 'replay', ids: present })}>{t('letters.replay_n', { count: present.length })}</Button>
              <Button danger onClick={() => setAsked({ verb: 'discard', ids: present })}>{t('letters.discard_n', { count: present.length })}</Button>
            </span>
          )
        }
      >
        {t('letters.explain')}
      </PageHead>
      {error && <ProblemNote error={error} />}
      <Grid
        rows={letters}
        rowKey="id"
        label={t('letters.title')}
        columns={columns}
        rowSelection={{ selectedRowKeys: present, onChange: (keys) => setChosen(keys.map(String)) }}
        empty={isPending ? t('common.loading') : <Empty title={t('letters.none')} next={t('letters.none_next')} />}
      />
      <Pager trail={trail} next={data?.next_page_token ?? ''} onGo={setTrail} />
      <Dialog isWide title={t('letters.event', { id: read?.message.event ?? '' })} isOpen={read !== null && asked === null} onClose={() => setRead(null)}>
        {read && (
          <>
            <dl className="facts facts-first">
              <dt>{t('col.cause')}</dt><dd>{read.cause}</dd>
              <dt>{t('col.consumer')}</dt><dd>{read.consumer}</dd>
              <dt>{t('col.tries')}</dt><dd>{read.tries}</dd>
              <dt>{t('col.message')}</dt><dd className="mono">{read.message.message_id}</dd>
              {read.message.trace_id && <><dt>{t('aorder.trace')}</dt><dd><Copyable text={read.message.trace_id} /></dd></>}
            </dl>
            <pre className="payload-box" tabIndex={0}>{JSON.stringify(read.message.payload, null, 2)}</pre>
            <footer className="dialog-foot">
              <Button danger onClick={() => setAsked({ verb: 'discard', ids: [read.id] })}>{t('letters.discard')}</Button>
              <Button type="primary" onClick={() => setAsked({ verb: 'replay', ids: [read.id] })}>{t('letters.replay')}</Button>
            </footer>
          </>
        )}
      </Dialog>
      {asked && (
        <Question
          isOpen
          title={t(asked.verb === 'replay' ? 'letters.replay_title' : 'letters.discard_title', { count: asked.ids.length })}
          explain={<>{t(asked.verb === 'replay' ? 'letters.replay_explain' : 'letters.discard_explain')} {t('admin.recorded', { name })}</>}
          yes={t(asked.verb === 'replay' ? 'letters.replay' : 'letters.discard')}
          isDangerous={asked.verb === 'discard'}
          isBusy={settle.isPending}
          onYes={go}
          onNo={close}
        >
          {settle.error && <ProblemNote error={settle.error} />}
        </Question>
      )}
    </main>
  );
}
