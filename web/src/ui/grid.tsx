// A table of rows for operators: dense, scrolling sideways rather than hiding columns, by keyboard too.
import { Table } from 'antd';
import type { TableProps } from 'antd';
import type { ReactNode } from 'react';

interface GridProps<Row extends object> extends Pick<TableProps<Row>, 'columns' | 'rowSelection' | 'rowClassName'> {
  rows: Row[];
  rowKey: keyof Row & string;
  /** What the rows are, for who cannot see the page. */
  label: string;
  empty: ReactNode;
}

export function Grid<Row extends object>({ rows, rowKey, label, empty, ...rest }: GridProps<Row>) {
  return (
    <div className="grid-scroll" tabIndex={0} role="region" aria-label={label}>
      <Table<Row> size="small" dataSource={rows} rowKey={rowKey} pagination={false} locale={{ emptyText: empty }} {...rest} />
    </div>
  );
}
