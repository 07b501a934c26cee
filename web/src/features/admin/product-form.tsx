// Making a product, or changing one. Only what was changed is sent, so that two operators do not undo each other.
import { Button, Input, Switch } from 'antd';
import { useState } from 'react';
import type { Product } from '@/api/client';
import { useText } from '@/i18n';
import { decimal } from '@/i18n/format';
import { ProblemNote } from '@/ui/problem-note';
import { TextArea } from '@/ui/text-area';
import { useSaveProduct, type ProductDraft } from './queries';

interface Fields {
  nameEn: string;
  nameZh: string;
  textEn: string;
  textZh: string;
  price: string;
  currency: string;
  category: string;
  picture: string;
  isOnSale: boolean;
}

const fresh: Fields = { nameEn: '', nameZh: '', textEn: '', textZh: '', price: '', currency: 'CNY', category: '', picture: '', isOnSale: true };

const fieldsOf = ({ en, zh }: { en: Product; zh: Product }): Fields => ({
  nameEn: en.name,
  nameZh: zh.name,
  textEn: en.description,
  textZh: zh.description,
  price: decimal(en.price),
  currency: en.price.currency,
  category: en.category,
  picture: en.picture ?? '',
  isOnSale: en.on_sale,
});

/** The minor units of an exact decimal, or `null` when it is none of that currency. */
export function minorUnits(text: string, currency: string): number | null {
  const digits = decimal({ amount_minor: 0, currency }).split('.')[1]?.length ?? 0;
  const match = /^(\d{1,12})(?:\.(\d+))?$/.exec(text.trim());
  const fraction = match?.[2] ?? '';
  if (!match || fraction.length > digits) return null;
  const minor = Number(`${match[1]}${fraction.padEnd(digits, '0')}`);
  return Number.isSafeInteger(minor) ? minor : null;
}

export function draftOf(fields: Fields, before: Fields | null): ProductDraft | null {
  const minor = minorUnits(fields.price, fields.currency);
  if (minor === null) return null;
  const changed = (...names: (keyof Fields)[]) => before === null || names.some((name) => fields[name] !== before[name]);
  return {
    ...(changed('nameEn', 'nameZh') ? { name: { en: fields.nameEn, zh: fields.nameZh || fields.nameEn } } : {}),
    ...(changed('textEn', 'textZh') && (before || fields.textEn) ? { description: { en: fields.textEn, zh: fields.textZh || fields.textEn } } : {}),
    ...(changed('price', 'currency') ? { price: { amount_minor: minor, currency: fields.currency } } : {}),
    ...(changed('category') && (before || fields.category) ? { category: fields.category } : {}),
    ...(changed('picture') && fields.picture ? { picture: fields.picture } : {}),
    ...(changed('isOnSale') ? { on_sale: fields.isOnSale } : {}),
  };
}

interface FormProps {
  id: string | null;
  both: { en: Product; zh: Product } | null;
  onSaved: () => void;
  onCancel: () => void;
}

export function ProductForm({ id, both, onSaved, onCancel }: FormProps) {
  const { t } = useText();
  const [before] = useState(() => (both ? fieldsOf(both) : null));
  const [fields, setFields] = useState<Fields>(before ?? fresh);
  const save = useSaveProduct();
  const set = (change: Partial<Fields>) => setFields({ ...fields, ...change });
  const draft = draftOf(fields, before);
  const isPriceWrong = fields.price !== '' && draft === null;
  const isEmpty = draft !== null && Object.keys(draft).length === 0;
  const field = (name: Exclude<keyof Fields, 'isOnSale'>, label: string, isLong = false) => (
    <label className="field">
      <span>{label}</span>
      {isLong ? (
        <TextArea value={fields[name]} onChange={(event) => set({ [name]: event.target.value })} />
      ) : (
        <Input value={fields[name]} onChange={(event) => set({ [name]: event.target.value })} status={name === 'price' && isPriceWrong ? 'error' : ''} />
      )}
      {name === 'price' && isPriceWrong && <em className="alarm" role="alert">{t('aproducts.price_invalid')}</em>}
    </label>
  );
  return (
    <form
      className="product-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (draft && !isEmpty) save.mutate({ id, draft }, { onSuccess: onSaved });
      }}
    >
      {id && <p className="dialog-text">{t('aproducts.only_changed')}</p>}
      <div className="form-pair">{field('nameEn', t('aproducts.name_en'))}{field('nameZh', t('aproducts.name_zh'))}</div>
      <div className="form-pair">{field('textEn', t('aproducts.desc_en'), true)}{field('textZh', t('aproducts.desc_zh'), true)}</div>
      <div className="form-pair">{field('price', t('aproducts.price'))}{field('currency', t('aproducts.currency'))}</div>
      <div className="form-pair">{field('category', t('products.category'))}{field('picture', t('aproducts.picture'))}</div>
      <label className="switch"><Switch checked={fields.isOnSale} onChange={(isOnSale) => set({ isOnSale })} /> {t('aproducts.on_sale')}</label>
      {save.error && <ProblemNote error={save.error} />}
      <footer className="dialog-foot">
        <Button onClick={onCancel}>{t('common.cancel')}</Button>
        <Button type="primary" htmlType="submit" loading={save.isPending} disabled={!draft || isEmpty || fields.nameEn === ''}>{t('common.save')}</Button>
      </footer>
    </form>
  );
}
