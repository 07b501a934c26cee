// Searching, sorting and narrowing the shop. Everything chosen stands in the address.
import { Checkbox, Input } from 'antd';
import { useEffect, useState } from 'react';
import { isKey, useText } from '@/i18n';
import { SearchIcon } from '@/ui/icons';
import type { Sort } from './stock-state';

export interface ShopFilter {
  q: string;
  category: string;
  sort: Sort;
  inStock: boolean;
}

interface ToolbarProps {
  filter: ShopFilter;
  categories: string[];
  onChange: (change: Partial<ShopFilter>) => void;
}

const PAUSE_MS = 250;

export function Toolbar({ filter, categories, onChange }: ToolbarProps) {
  const { t } = useText();
  const [typed, setTyped] = useState(filter.q);
  const [seen, setSeen] = useState(filter.q);
  if (seen !== filter.q) {
    setSeen(filter.q);
    setTyped(filter.q);
  }
  useEffect(() => {
    if (typed === filter.q) return;
    const timer = setTimeout(() => onChange({ q: typed }), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed, filter.q, onChange]);
  // Whatever else is chosen takes along what has been typed and not yet been sent.
  const choose = (change: Partial<ShopFilter>) => onChange({ q: typed, ...change });
  const word = (category: string) => {
    const key = `category.${category}`;
    return isKey(key) ? t(key) : category;
  };
  return (
    <div className="toolbar" role="search">
      <Input
        className="toolbar-search"
        type="search"
        allowClear
        prefix={<SearchIcon />}
        value={typed}
        placeholder={t('products.search')}
        aria-label={t('products.search')}
        onChange={(event) => setTyped(event.target.value)}
      />
      <div className="chips" role="group" aria-label={t('products.category')}>
        {['', ...categories].map((category) => (
          <button key={category} type="button" className="chip" aria-pressed={filter.category === category} onClick={() => choose({ category })}>
            {category === '' ? t('common.all') : word(category)}
          </button>
        ))}
      </div>
      <div className="toolbar-end">
        <Checkbox checked={filter.inStock} onChange={(event) => choose({ inStock: event.target.checked })}>
          {t('products.only_stock')}
        </Checkbox>
        <label className="sort">
          <span>{t('products.sort')}</span>
          <select value={filter.sort} onChange={(event) => choose({ sort: event.target.value as Sort })}>
            <option value="house">{t('products.sort_house')}</option>
            <option value="cheap">{t('products.sort_cheap')}</option>
            <option value="dear">{t('products.sort_dear')}</option>
          </select>
        </label>
      </div>
    </div>
  );
}
