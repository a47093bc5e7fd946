"""Texts on which backends are measured: many scripts, lengths from a question to a paragraph.

Half of them are as short as titles and questions, half as long as what people store: product
texts, messages, passages. A model that reads one language only gets the others as odd strings,
which is what it will meet in real data, too.
"""

from __future__ import annotations

SAMPLE: tuple[str, ...] = (
    "The parcel arrived two days late.",
    "Can I change the delivery address of an order that has been shipped already?",
    "The lamp came with a European plug although the page promised an adapter. I wrote to the "
    "shop twice and got the same polite answer both times: an adapter would follow within a "
    "week. It has been five weeks now, and I would rather send the lamp back than go on waiting.",
    "Every spring the river leaves its bed and floods the lower meadows for a few weeks. The "
    "farmers do not mind, because the water brings fine soil from the hills, and the grass that "
    "grows in June is better than any that is sown. Only the road to the mill has to be closed, "
    "and the children of the two houses beyond it get their lessons by radio until the ford can "
    "be crossed again.",
    "Wie kann ich mein Passwort zurücksetzen?",
    "Die Bibliothek ist wegen Bauarbeiten bis zum Ende des Monats geschlossen. Bücher können in "
    "der Zweigstelle am Marktplatz zurückgegeben werden, und wer etwas vorbestellt hat, bekommt "
    "eine Nachricht, sobald es dort zur Abholung bereitliegt.",
    "Mon colis n'est pas arrivé et le suivi ne change plus depuis lundi.",
    "Le musée rouvrira ses portes au printemps après trois ans de travaux. Les salles du premier "
    "étage ont été entièrement repensées, et une nouvelle galerie présentera des cartes anciennes "
    "que personne n'avait encore vues en dehors des archives de la ville.",
    "¿A qué hora sale el último tren hacia la costa?",
    "La receta necesita aceite de oliva, dos dientes de ajo y un puñado de almendras tostadas. "
    "Se mezcla todo en un mortero hasta que quede una pasta fina, y se sirve con pan del día "
    "anterior.",
    "Il ponte è stato chiuso al traffico per due settimane.",
    "O relatório mostra que o consumo de água diminuiu em todas as regiões do país durante o "
    "último ano, sobretudo nas cidades onde as condutas antigas foram substituídas.",
    "Waar vind ik de handleiding van deze wasmachine?",
    "Po remoncie dworca pociągi znowu zatrzymują się na wszystkich peronach.",
    "Vlak má zpoždění patnáct minut kvůli závadě na trati.",
    "Где можно оставить багаж на несколько часов?",
    "Учёные измерили толщину льда в сорока точках и сравнили её с записями прошлого века. "
    "Оказалось, что озеро замерзает в среднем на две недели позже, а лёд сходит почти на месяц "
    "раньше, чем в те годы, когда здесь начали вести наблюдения.",
    "Музей працює щодня, крім понеділка, з десятої до шостої.",
    "Το πλοίο για το νησί φεύγει κάθε πρωί στις οκτώ από το παλιό λιμάνι.",
    "Toplantı yarın sabah saat dokuzda başlayacak; lütfen raporlarınızı yanınızda getirin.",
    "أين يمكنني استبدال البضاعة التي اشتريتها أمس؟",
    "أعلنت البلدية أن الحديقة العامة ستبقى مفتوحة حتى منتصف الليل طوال أشهر الصيف، وأن الدخول "
    "إليها سيكون مجانيا لجميع الزوار، على أن يحافظوا على نظافة المكان وهدوئه.",
    "התרופה הזאת נמכרת רק עם מרשם של רופא.",
    "کتابخانه از فردا تا پایان هفته تعطیل است.",
    "कृपया बताइए कि यह बस किस समय शहर के बाहर पहुँचेगी।",
    "เด็ก ๆ กำลังเล่นอยู่ในสวนหลังโรงเรียน",
    "Chuyến bay bị hoãn vì thời tiết xấu, hành khách được bố trí nghỉ lại ở khách sạn gần sân bay.",
    "Buku ini menceritakan perjalanan seorang nelayan yang ingin melihat kota besar.",
    "Mvua kubwa ilinyesha usiku kucha na barabara ya kijijini imefungwa.",
    "请问这款手机支持同时使用两张卡吗？",
    "研究人员在山谷里发现了一座古老的石桥。根据石头上的文字，它建于八百多年前，曾经是商人往来南北的"
    "必经之路，后来河流改道，桥才渐渐被人遗忘。",
    "この電車は次の駅で十分ほど停車します。",
    "新しい図書館は来月の初めに開館します。一階には子ども向けの本、二階には地域の歴史に関する資料が"
    "並び、誰でも無料で利用することができます。",
    "주문한 상품이 아직 도착하지 않았는데 언제쯤 받을 수 있을까요?",
    "Kirjasto on suljettu kesäkuun ajan, mutta lehtiä voi lukea aulassa entiseen tapaan.",
    "Batteriet räcker i ungefär tio timmar om skärmen inte är för ljus.",
)
