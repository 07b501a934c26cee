// The five states that a customer thinks in, each made of the finer ones.
export const groups = {
  to_pay: ['confirmed'],
  processing: ['pending', 'paid', 'shipped', 'ship_failed'],
  done: ['delivered'],
  cancelled: ['cancelled'],
  returned: ['returned'],
} as const satisfies Record<string, readonly string[]>;

export type Group = keyof typeof groups;

export const groupNames = Object.keys(groups) as Group[];
export const isGroup = (text: string): text is Group => text in groups;

export const groupOf = (status: string): Group | undefined =>
  groupNames.find((group) => (groups[group] as readonly string[]).includes(status));

/** What a customer may do with an order in a state. The server decides; this only hides what it would refuse. */
export const movesFrom = (status: string): { canPay: boolean; canCancel: boolean; canReturn: boolean } => ({
  canPay: status === 'confirmed',
  canCancel: ['pending', 'confirmed', 'paid', 'ship_failed'].includes(status),
  canReturn: status === 'delivered',
});
